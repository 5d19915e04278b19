export interface Choice {
  value: string;
  label: string;
}

/** A row of radio buttons that look like one control; the arrow keys walk through it. */
export function showChoices(
  host: HTMLElement,
  name: string,
  choices: readonly Choice[],
  selected: string,
  onChoice: (value: string) => void,
): void {
  host.replaceChildren(
    ...choices.map(({ value, label }) => {
      const input = document.createElement('input');
      input.type = 'radio';
      input.name = name;
      input.value = value;
      input.checked = value === selected;
      input.addEventListener('change', () => onChoice(value));
      const text = document.createElement('span');
      text.textContent = label;
      const element = document.createElement('label');
      element.append(input, text);
      return element;
    }),
  );
}

export function showOptions(select: HTMLSelectElement, choices: readonly Choice[], selected: string): void {
  select.replaceChildren(...choices.map(({ value, label }) => new Option(label, value, false, value === selected)));
}
