import { type Effort, efforts } from './request.ts';

/** Thinking tokens that stand for a level where only a budget can be said. */
export const effortBudgets: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: 512,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 32_768,
  max: 128_000,
};

/** The level that stands for a budget of thinking tokens where only levels can be said; -1 is the model's own choice. */
export function effortOf(budget: number): Effort | 'auto' {
  if (budget < 0) return 'auto';
  return efforts.find((effort) => effort !== 'max' && budget <= effortBudgets[effort]) ?? 'xhigh';
}
