// The tests of the perception pipeline: node examples/perception/test.mjs [--long]
//
// They need both built: npm run build, and cargo build --profile ci -p perception-producer --examples
// `--long` keeps the load up for half a minute.

import './test/serving.mjs'
import './test/recovery.mjs'
import './test/commands.mjs'
import './test/load.mjs'
import './test/program.mjs'
