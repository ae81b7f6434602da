// Fills the compile cache while an image is built: loads what the named modules load, then ends, which writes the cache.
for (const file of process.argv.slice(2)) await import(new URL(file, `file://${process.cwd()}/`).href);
process.exit(0);
