// Generates the clients of all contracts of the examples, in TypeScript and as scripts with types. Compiles the programs
// beside this file with both, and runs them against the examples: node generated.mjs GENERATOR EXAMPLES VALUES. GENERATOR is a program, EXAMPLES the
// folder of the examples' programs. VALUES is the program of values.rs, whose arbitrary values pass a generated client and
// its server. The environment variable `SEED` repeats those of a failure. Uses the packages of clients/js.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const [generator, examples, values] = process.argv.slice(2);
const client = path("../../clients/js/");
const contracts = path("../../examples/contract/");
const names = readdirSync(contracts).map((name) => basename(name, ".json")).sort();
const programs = ["generated.ts", "generated_examples.ts", "generated_support.ts", "generated_values.ts"];
const COUNT = 300;
const seed = process.env.SEED ?? `${Math.floor(Math.random() * 2 ** 32)}`;
const CHECKS = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--noUnusedLocals", "--noImplicitOverride",
  "--verbatimModuleSyntax", "--target", "es2022", "--lib", "esnext,dom", "--module", "nodenext", "--types", "node"];
// Inside of the package, whose name the clients import.
const folder = mkdtempSync(`${client}interop-`);
try {
  const printed = (...args) => execFileSync(values, args, { maxBuffer: 2 ** 28 });
  writeFileSync(`${folder}/values.contract.json`, printed("contract"));
  writeFileSync(`${folder}/values.jsonl`, printed("lines", `${COUNT}`, seed));
  console.log(`${COUNT} values, SEED=${seed}`);
  for (const [kind, ...options] of [["typescript"], ["javascript", "--javascript"]]) {
    const cwd = `${folder}/${kind}`;
    const run = (program, ...args) => execFileSync(program, args, { stdio: "inherit", cwd });
    mkdirSync(cwd);
    for (const name of names) run(generator, `${contracts}${name}.json`, `${cwd}/${name}`, ...options);
    run(generator, `${folder}/values.contract.json`, `${cwd}/values`, ...options);
    for (const name of programs) copyFileSync(path(name), `${cwd}/${name}`);
    run(`${client}node_modules/.bin/tsc`, ...CHECKS, ...programs);
    run(process.execPath, "generated.js", examples);
    run(process.execPath, "generated_examples.js", examples, ...names);
    run(process.execPath, "generated_values.js", values, `${folder}/values.jsonl`);
    console.log(`generated ${kind} of ${names.length} examples, Node ${process.version}: ok`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
