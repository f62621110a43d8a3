#!/usr/bin/env node
import { engine } from './engine.ts';
import { runProcess } from './process.ts';

await runProcess(engine);
