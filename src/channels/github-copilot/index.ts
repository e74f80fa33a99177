import { channel } from '../channel.ts';
import { logins } from './login.ts';

/** GitHub Copilot, by signing in. */
export default channel({ id: 'github-copilot', settings: {}, open: () => [], logins });
