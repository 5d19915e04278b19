/** Parts that scroll by themselves are reached by the Tab key while they have something to scroll to, and only then. */
export function scrollStops(parts: Iterable<HTMLElement>): void {
  const look = (part: HTMLElement) => {
    const scrolls = part.scrollWidth > part.clientWidth || part.scrollHeight > part.clientHeight;
    if (scrolls === part.hasAttribute('tabindex')) return;
    if (scrolls) {
      part.tabIndex = 0;
      part.setAttribute('role', 'group');
      part.setAttribute('aria-label', part.dataset.label ?? '');
    } else {
      for (const name of ['tabindex', 'role', 'aria-label']) part.removeAttribute(name);
    }
  };
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const part = target.closest<HTMLElement>('.scroll, .notices-frame');
      if (part !== null) look(part);
    }
  });
  for (const part of parts) {
    observer.observe(part);
    for (const child of part.children) observer.observe(child);
  }
}
