// Builds dist/ws-core.min.js: node build.mjs. With --check, fails if the file is not what would be built.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const file = path("dist/ws-core.min.js");

const { outputFiles: [{ text }] } = await build({
  entryPoints: [path("src/ws-core.js")],
  bundle: true,
  format: "esm",
  minify: true,
  target: "es2022",
  write: false,
  banner: { js: "// The client of ws-core, MIT OR Apache-2.0. Built from clients/js/src." },
});
if (!process.argv.includes("--check")) writeFileSync(file, text);
else if (readFileSync(file, "utf8") !== text) throw new Error("dist/ws-core.min.js is not built from src: run npm run build");
