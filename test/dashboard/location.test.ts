import { describe, expect, test } from 'vitest';
import { formatPlace, parsePlace } from '../../dashboard/location.ts';

describe('the address', () => {
  test('keeps channel and feature, whatever they are called', () => {
    const place = { channel: 'a&b=c #1', feature: 'x y' };
    expect(parsePlace(formatPlace(place))).toEqual(place);
  });

  test('may be empty', () => {
    expect(parsePlace('')).toEqual({ channel: undefined, feature: undefined });
    expect(formatPlace({ channel: 'a', feature: undefined })).toBe('#channel=a');
  });
});
