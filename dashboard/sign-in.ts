import type { Credentials } from './credentials.ts';

/** The parts of the dialog in index.html. */
export interface SignInElements {
  dialog: HTMLDialogElement;
  form: HTMLFormElement;
  reason: HTMLElement;
  input: HTMLInputElement;
  error: HTMLElement;
  cancel: HTMLButtonElement;
}

/** Asks for the token, in a dialog of the browser: it keeps the focus and lets go of it with Escape. */
export class SignIn {
  readonly #elements: SignInElements;
  readonly #credentials: Credentials;
  #asking: Promise<boolean> | undefined;

  constructor(elements: SignInElements, credentials: Credentials) {
    this.#elements = elements;
    this.#credentials = credentials;
    elements.cancel.addEventListener('click', () => elements.dialog.close());
  }

  /**
   * One question at a time, however many ask.
   *
   * @param reason why it is asked for, as a sentence
   * @returns false when the reader would rather not
   */
  ask(reason: string): Promise<boolean> {
    this.#asking ??= this.#open(reason).finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  #open(reason: string): Promise<boolean> {
    const { dialog, form, input } = this.#elements;
    this.#elements.reason.textContent = reason;
    input.value = '';
    this.#complain('');
    return new Promise((resolve) => {
      let isTaken = false;
      form.onsubmit = (event) => {
        event.preventDefault();
        const wrong = this.#credentials.set(input.value);
        this.#complain(wrong ?? '');
        if (wrong !== undefined) {
          input.focus();
          return;
        }
        isTaken = true;
        dialog.close();
      };
      dialog.onclose = () => {
        input.value = '';
        resolve(isTaken);
      };
      if (!dialog.open) dialog.showModal();
      input.focus();
    });
  }

  #complain(text: string): void {
    const { error, input } = this.#elements;
    error.textContent = text;
    error.hidden = text === '';
    if (text === '') input.removeAttribute('aria-invalid');
    else input.setAttribute('aria-invalid', 'true');
  }
}
