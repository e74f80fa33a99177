/** Which models a ChatGPT plan includes (spec: codex, models). */

const everyPlan = ['gpt-5.5', 'gpt-5.4-mini', 'codex-auto-review'];
const images = ['gpt-image-2', 'gpt-image-1.5'];
const paidPlans = [...everyPlan, 'gpt-5.6-sol', 'gpt-5.6-terra', 'gpt-5.6-luna', 'gpt-5.4', ...images];
const personalPlans = [...paidPlans, 'gpt-5.3-codex-spark'];

/** Plans that include less than the personal ones do. */
const plans: Readonly<Record<string, readonly string[]>> = {
  free: everyPlan,
  go: paidPlans,
  team: paidPlans,
  business: paidPlans,
};

/** The models of a plan; those of the largest one where nobody knows it. */
export const modelsOf = (plan: string | undefined): readonly string[] => plans[plan ?? ''] ?? personalPlans;
