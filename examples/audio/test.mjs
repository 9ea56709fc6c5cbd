// The tests of the audio example: node examples/audio/test.mjs
//
// They need both built: npm run build, and cargo build --profile ci -p audio-synth --bins --examples

import './test/playing.mjs'
import './test/trouble.mjs'
import './test/program.mjs'
