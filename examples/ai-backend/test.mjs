// The tests of the AI backend: node examples/ai-backend/test.mjs
//
// They need both built: npm run build, and cargo build --profile ci -p ai-backend

import './test/serving.mjs'
import './test/tools.mjs'
import './test/life.mjs'
import './test/program.mjs'
