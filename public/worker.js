// A module worker that runs the page's own WebAssembly module: its first message brings the address of the
// generated JavaScript and the module as the page compiled it, so that nothing is compiled twice.
self.onmessage = async ({ data: { js, module } }) => {
  const bindings = await import(js);
  bindings.initSync({ module });
  bindings.workerMain(); // from here on, messages are the worker's own protocol
};
