// tests/interop/asyncapi.mjs MODULES FILE…
// Validates documents of AsyncAPI with AsyncAPI's own parser, @asyncapi/parser in MODULES. Fails on any diagnostic but that
// of the version: the documents are of AsyncAPI 3.0, which tools know, also after a later version.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, ...files] = process.argv.slice(2);
const { Parser } = createRequire(join(modules, "index.js"))("@asyncapi/parser");
if (files.length === 0) throw new Error("no document");

let failed = false;
for (const file of files) {
    const { document, diagnostics } = await new Parser().parse(readFileSync(file, "utf8"));
    const bad = diagnostics.filter(({ code }) => code !== "asyncapi-latest-version");
    for (const { code, message, path } of bad) console.error(`${file}: ${code} at ${path.join("/")}: ${message}`);
    if (!document || bad.length > 0) {
        failed = true;
        continue;
    }
    const operations = document.operations().all().length;
    const channels = document.channels().all().length;
    console.log(`asyncapi: ${file.split("/").pop()}: valid, channels: ${channels}, operations: ${operations}`);
}
process.exit(failed ? 1 : 0);
