// Compiles generated.ts with the generated client, and runs it against `examples/rpc`:
// node generated.mjs GENERATOR RPC, where both are programs. Uses the packages of clients/js.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const [generator, rpc] = process.argv.slice(2);
const client = path("../../clients/js/");
// Inside of the package, whose name the client imports.
const folder = mkdtempSync(`${client}interop-`);
const run = (program, ...args) => execFileSync(program, args, { stdio: "inherit", cwd: folder });
try {
  execFileSync(generator, [path("rpc.contract.json"), folder], { stdio: "inherit" });
  copyFileSync(path("generated.ts"), `${folder}/generated.ts`);
  run(`${client}node_modules/.bin/tsc`, "--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess",
    "--verbatimModuleSyntax", "--target", "es2022", "--lib", "esnext,dom", "--module", "nodenext", "--types", "node",
    "--rootDir", ".", "--outDir", "out", "generated.ts");
  run(process.execPath, "out/generated.js", rpc);
} finally {
  rmSync(folder, { recursive: true });
}
