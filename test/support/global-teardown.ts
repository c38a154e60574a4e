import { removeTools } from './tools';

export default removeTools;
