// The tests of the dashboard: node examples/dashboard/test.mjs [--long]
//
// They need both built, npm run build and cargo build --profile ci -p dashboard-producer, and
// Chromium, at /usr/bin/chromium or where CHROMIUM says. `--long` lets pages come and go for ten
// minutes.

import './test/looks.mjs'
import './test/guard.mjs'
import './test/streams.mjs'
import './test/links.mjs'
import './test/pages.mjs'
import './test/program.mjs'
import './test/coming-and-going.mjs'
