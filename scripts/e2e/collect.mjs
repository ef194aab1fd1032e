// collect returns a handler of events, a function that waits for n of them, and
// one that waits for the first that fits and forgets those before it.
export function collect() {
  const events = [];
  let wake = () => {};
  const another = () => new Promise((resolve) => {
    wake = resolve;
  });
  return {
    handler: (event) => {
      events.push(event);
      wake();
    },
    async take(n) {
      while (events.length < n) await another();
      return events.splice(0, n);
    },
    async find(fits) {
      for (;;) {
        const at = events.findIndex(fits);
        if (at >= 0) return events.splice(0, at + 1)[at];
        await another();
      }
    },
  };
}
