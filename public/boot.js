// Starts the page. A file of its own, because an inline script would need 'unsafe-inline' in the page's
// Content-Security-Policy. Trunk.toml writes the tag, with the addresses of the two generated files.
const tag = document.querySelector('script[data-wasm]');
const address = (key) => new URL(tag.dataset[key], document.baseURI).href;
const bindings = await import(address('js'));
const wasm = await bindings.default({ module_or_path: address('wasm') });
bindings.openPage();
// What Trunk's own start script offers to other scripts.
window.wasmBindings = bindings;
dispatchEvent(new CustomEvent('TrunkApplicationStarted', { detail: { wasm } }));
