import { channel } from '../channel.ts';
import { logins } from './login.ts';

/** Kiro and Amazon Q Developer, by signing in. */
export default channel({ id: 'kiro', settings: {}, open: () => [], logins });
