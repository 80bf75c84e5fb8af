// tests/interop/asyncapi.mjs MODULES FILE…
// Validates documents of AsyncAPI with AsyncAPI's own parser, @asyncapi/parser in MODULES. Fails on any diagnostic but the
// hints that a document could have more members.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, ...files] = process.argv.slice(2);
const { Parser } = createRequire(join(modules, "index.js"))("@asyncapi/parser");
if (files.length === 0) throw new Error("no document");

// The parser's severities: 0 is an error, 1 a warning, 2 an information, 3 a hint.
const WARNING = 1;
let failed = false;
for (const file of files) {
    const { document, diagnostics } = await new Parser().parse(readFileSync(file, "utf8"));
    const bad = diagnostics.filter(({ severity }) => severity <= WARNING);
    for (const { code, message, path } of bad) console.error(`${file}: ${code} at ${path.join("/")}: ${message}`);
    if (!document || bad.length > 0) {
        failed = true;
        continue;
    }
    const operations = document.operations().all().length;
    console.log(`asyncapi: ${file.split("/").pop()}: valid, ${document.channels().all().length} channel, ${operations} operations`);
}
process.exit(failed ? 1 : 0);
