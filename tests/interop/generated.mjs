// Generates the clients of all contracts of the examples, in TypeScript and as scripts with types. Compiles the programs
// beside this file with both, and runs them against the examples: node generated.mjs GENERATOR EXAMPLES, a program and the
// folder of the examples' programs. Uses the packages of clients/js.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const [generator, examples] = process.argv.slice(2);
const client = path("../../clients/js/");
const contracts = path("../../examples/contract/");
const names = readdirSync(contracts).map((name) => basename(name, ".json")).sort();
const programs = ["generated.ts", "generated_examples.ts", "generated_support.ts"];
const CHECKS = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--noUnusedLocals", "--noImplicitOverride",
  "--verbatimModuleSyntax", "--target", "es2022", "--lib", "esnext,dom", "--module", "nodenext", "--types", "node"];
// Inside of the package, whose name the clients import.
const folder = mkdtempSync(`${client}interop-`);
try {
  for (const [kind, ...options] of [["typescript"], ["javascript", "--javascript"]]) {
    const cwd = `${folder}/${kind}`;
    const run = (program, ...args) => execFileSync(program, args, { stdio: "inherit", cwd });
    mkdirSync(cwd);
    for (const name of names) run(generator, `${contracts}${name}.json`, `${cwd}/${name}`, ...options);
    for (const name of programs) copyFileSync(path(name), `${cwd}/${name}`);
    run(`${client}node_modules/.bin/tsc`, ...CHECKS, ...programs);
    run(process.execPath, "generated.js", examples);
    run(process.execPath, "generated_examples.js", examples, ...names);
    console.log(`generated ${kind} of ${names.length} examples, Node ${process.version}: ok`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
