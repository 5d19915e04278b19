// Features on very different scales, normalised as they arrive: npx tsx examples/normalize.ts
import { from } from 'rxjs';
import { cumulative, normalize } from 'streamnorm';

const feed = from([
  { x1: 1, x2: 1000 },
  { x1: 2, x2: 2000 },
  { x1: 3, x2: 3000 },
]);

feed.pipe(normalize(cumulative(), { features: ['x1', 'x2'] })).subscribe(console.log);
