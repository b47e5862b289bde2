// Notices a consumer that shows no sign of life: neither a fetch nor a heartbeat for too long is a wedge.
// It only reports; what happens then is the stream's business.
import { SluiceError } from '../../core/error.ts'
import type { Consumer } from 'kafkajs'

export function watchConsumer(consumer: Consumer, wedge_ms: number, fail: (error: SluiceError) => void): () => void {
  let alive = performance.now()
  const sign = () => {
    alive = performance.now()
  }
  const { FETCH, HEARTBEAT, GROUP_JOIN, END_BATCH_PROCESS } = consumer.events
  const remove = [FETCH, HEARTBEAT, GROUP_JOIN, END_BATCH_PROCESS].map((event) => consumer.on(event, sign))
  const timer = setInterval(
    () => {
      const silent_ms = performance.now() - alive
      if (silent_ms > wedge_ms) fail(new SluiceError('SL205', `no sign of life for ${Math.round(silent_ms / 1000)} s`))
    },
    Math.min(wedge_ms / 4, 5000),
  )
  timer.unref()
  return () => {
    clearInterval(timer)
    for (const off of remove) off()
  }
}
