import { page } from './page.ts';
import type { Problem } from './problem.ts';
import { setText } from './set-text.ts';

const ACTIONS = { retry: 'Try now', 'sign-in': 'Enter a token' };

/** Writes the problem above everything else; it is not read aloud by itself, since its times change every second. */
export function showProblem(problem: Problem | undefined): void {
  const { box, title, advice, action } = page.problem;
  box.hidden = problem === undefined;
  if (problem === undefined) return;
  box.dataset.severity = problem.severity;
  setText(title, problem.title);
  setText(advice, problem.advice);
  action.hidden = problem.action === undefined;
  action.dataset.action = problem.action ?? '';
  if (problem.action !== undefined) setText(action, ACTIONS[problem.action]);
}
