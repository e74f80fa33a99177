/** What may always be retried, so that a quiet gateway can retry at all: so many at once, and one more each second. */
const floor = 10;
/** Shares that are not used up are kept up to this many retries. */
const most = 100;

/**
 * How often one provider may be asked again on behalf of requests that it has failed already. When all of it is in
 * trouble, retries would only multiply the load that it cannot carry.
 */
export class Budget {
  private left = floor;
  private refilledAtMs = 0;

  /** A request has come: a share of it may be retried. */
  earn(share: number): void {
    if (this.left < most) this.left += share;
  }

  /** Takes one retry; false when there is none. */
  spend(nowMs: number): boolean {
    if (this.left < floor) {
      this.left = Math.min(floor, this.left + (nowMs - this.refilledAtMs) / 1000);
    }
    this.refilledAtMs = nowMs;
    if (this.left < 1) return false;
    this.left--;
    return true;
  }
}
