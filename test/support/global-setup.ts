import { prepareTools } from './tools';

export default prepareTools;
