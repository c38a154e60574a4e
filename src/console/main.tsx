import { render } from 'preact';
import { Shell } from './shell';

const place = document.getElementById('console');
if (place !== null) render(<Shell />, place);
