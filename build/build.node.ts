/** `npm run build`: everything that the desktop application consists of, in dist/. */
import { buildMain } from './main.node.ts';
import { engineModules } from './engine.node.ts';
import { buildPage, pageIsStale } from './page.node.ts';
import { buildVmm } from './vmm.node.ts';
import { requireNode } from './require-node.node.ts';

requireNode();
if (pageIsStale()) await buildPage();
await engineModules();
await buildVmm();
await buildMain();
