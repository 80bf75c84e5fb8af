// Builds dist/*.min.js: node build.mjs. With --check, fails if a file is not what would be built.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Builds one script. Modules that it leaves out are files beside it. */
async function script(source, name, external) {
  const file = path(`dist/${name}.min.js`);
  const { outputFiles: [{ text }] } = await build({
    entryPoints: [path(`src/${source}.js`)],
    bundle: true,
    external,
    format: "esm",
    minify: true,
    target: "es2022",
    write: false,
    banner: { js: "// The client of ws-core, MIT OR Apache-2.0. Built from clients/js/src." },
  });
  if (!process.argv.includes("--check")) writeFileSync(file, text);
  else if (readFileSync(file, "utf8") !== text) throw new Error(`${file} is not built from src: run npm run build`);
}

await script("ws-core", "ws-core", []);
await script("contract", "ws-core-contract", ["./ws-core.js"]);
