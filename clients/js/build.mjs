// Builds dist: node build.mjs. With --check, fails if a file is not what would be built.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Builds one script. Modules that it leaves out are files beside it. */
async function script(source, name, external) {
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
  write(`${name}.min.js`, text);
}

/** Writes a file, or checks that it is current. */
function write(name, text) {
  const file = path(`dist/${name}`);
  if (!process.argv.includes("--check")) writeFileSync(file, text);
  else if (readFileSync(file, "utf8") !== text) throw new Error(`${file} is not current: run npm run build`);
}

/** Builds a page of one file, and its Content-Security-Policy with the hashes of its script and its style. */
async function page(name, connections) {
  const { outputFiles: [{ text }] } = await build({
    entryPoints: [path(`${name}/main.js`)], bundle: true, format: "iife", minify: true, target: "es2022", write: false,
  });
  const { code } = await transform(readFileSync(path(`${name}/page.css`), "utf8"), { loader: "css", minify: true });
  const script = text.trim(), style = code.trim();
  if (/<\/(script|style)|<!--/i.test(script + style)) throw new Error("the script or the style would end its element");
  const hash = (content) => `'sha256-${createHash("sha256").update(content).digest("base64")}'`;
  const page = readFileSync(path(`${name}/page.html`), "utf8");
  write(`${name}.html`, page.replace("{{style}}", () => style).replace("{{script}}", () => script));
  write(`${name}.csp`, ["default-src 'none'", `script-src ${hash(script)}`, `style-src ${hash(style)}`, `connect-src ${connections}`,
    "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
    "trusted-types 'none'"].join("; "));
}

await script("ws-core", "ws-core", []);
await script("contract", "ws-core-contract", ["./ws-core.js"]);
// The page of `Router::docs`. The server replaces `{{data}}`.
await page("docs", "'self' ws: wss:");
// The page of `Router::inspect`.
await page("inspect", "'self'");
