import type { Observable } from 'rxjs';

/** What a synchronous Observable emits until it completes; throws its error, and where it does not complete at once. */
export function collected<T>(source: Observable<T>): T[] {
  const values: T[] = [];
  const end: { completed: boolean; failures: unknown[] } = { completed: false, failures: [] };
  source
    .subscribe({
      next: (value) => values.push(value),
      error: (error) => end.failures.push(error),
      complete: () => {
        end.completed = true;
      },
    })
    .unsubscribe();
  if (end.failures.length > 0) throw end.failures[0];
  if (!end.completed) throw new Error('the Observable did not complete synchronously');
  return values;
}
