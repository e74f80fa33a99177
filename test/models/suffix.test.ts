import { expect, test } from 'bun:test';
import { splitSuffix, type Suffixed } from '../../src/models/suffix.ts';

test.each<[string, Suffixed]>([
  ['m', { name: 'm' }],
  ['m(high)', { name: 'm', reasoning: { effort: 'high' } }],
  ['m(XHigh)', { name: 'm', reasoning: { effort: 'xhigh' } }],
  ['m(none)', { name: 'm', reasoning: { effort: 'none' } }],
  ['m(0)', { name: 'm', reasoning: { effort: 'none' } }],
  ['m(auto)', { name: 'm', reasoning: { effort: 'auto' } }],
  ['m(-1)', { name: 'm', reasoning: { effort: 'auto' } }],
  ['m(8192)', { name: 'm', reasoning: { budget: 8192 } }],
  ['m(0512)', { name: 'm', reasoning: { budget: 512 } }],
  ['m(foo)', { name: 'm' }],
  ['m(-5)', { name: 'm' }],
  ['m()', { name: 'm' }],
  ['m(a)(low)', { name: 'm(a)', reasoning: { effort: 'low' } }],
  ['team/m(max)', { name: 'team/m', reasoning: { effort: 'max' } }],
  ['m(high) ', { name: 'm(high) ' }],
  ['(high)', { name: '(high)' }],
])('%s is read', (model, read) => {
  expect(splitSuffix(model)).toEqual(read);
});
