import fc from 'fast-check';

/** A float64 of any sign whose exponent is drawn evenly, so that tiny and huge ones are as likely as those around 1. */
export function doubleOfAnyExponent(least = -480, most = 479): fc.Arbitrary<number> {
  return fc
    .tuple(
      fc.boolean(),
      fc.double({ min: 1, max: 2, maxExcluded: true, noNaN: true }),
      fc.integer({ min: least, max: most }),
    )
    .map(([negative, digits, exponent]) => (negative ? -1 : 1) * digits * 2 ** exponent);
}

/** Numbers as sensors send them. */
export const reading = fc.double({ min: -1e6, max: 1e6, noNaN: true });

/** What a feed holds besides numbers. */
export const unusable = fc.constantFrom(
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  1e300,
  -(2 ** 481),
);

/** A reading, now and then an unusable value. */
export const readingOrNot = fc.oneof({ weight: 5, arbitrary: reading }, { weight: 1, arbitrary: unusable });

/** Columns on which a formula with cancellation loses its digits. */
export const illConditioned: fc.Arbitrary<number[]> = fc.oneof(
  // a large offset and small noise
  fc
    .tuple(
      fc.double({ min: 1e3, max: 1e12, noNaN: true }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 60 }),
    )
    .map(([offset, noise]) => noise.map((x) => offset + x)),
  // neighbours: a few ulp apart
  fc
    .tuple(
      fc.double({ min: 1, max: 2, noNaN: true, maxExcluded: true }),
      fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 60 }),
    )
    .map(([base, steps]) => steps.map((step) => base + step * Number.EPSILON)),
  // one ulp apart, once in many
  fc
    .tuple(fc.double({ min: 1, max: 2, noNaN: true, maxExcluded: true }), fc.integer({ min: 1, max: 3000 }))
    .map(([base, n]) => [base + Number.EPSILON, ...new Array<number>(n).fill(base)]),
  // pairs that cancel, and one small rest
  fc
    .tuple(
      fc.array(doubleOfAnyExponent(-40, 100), { minLength: 1, maxLength: 30 }),
      fc.double({ min: -1, max: 1, noNaN: true }),
    )
    .map(([large, rest]) => [...large, rest, ...large.map((x) => -x)]),
  // pairs that nearly cancel, digit by digit
  fc
    .array(doubleOfAnyExponent(-40, 100), { minLength: 1, maxLength: 30 })
    .map((large) => large.flatMap((x) => [x, -x * (1 - 2 ** -50)])),
);
