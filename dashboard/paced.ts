/**
 * Turns many calls into few: `run` is called in an animation frame, at most every `everyMs`, and once more after the
 * last call. Nothing runs while the page is hidden.
 */
export function paced(run: () => void, everyMs: number): () => void {
  let pending = false;
  let ranAt = Number.NEGATIVE_INFINITY;
  const inFrame = () =>
    requestAnimationFrame(() => {
      pending = false;
      ranAt = performance.now();
      run();
    });
  return () => {
    if (pending) return;
    pending = true;
    const wait = ranAt + everyMs - performance.now();
    if (wait > 0) setTimeout(inFrame, wait);
    else inFrame();
  };
}
