/** Touches the page only where something changes: screen readers tell of what is touched. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
