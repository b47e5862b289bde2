// Metrics for Prometheus: one per event, by the table in core/events.ts, in a registry of their own, by prom-client.
// Must never grow without a bound: a metric has at most SERIES_MAX label combinations, the rest is counted as "other".
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { EVENTS } from '../../core/events.ts'
import type { EventFields, EventName, EventSpec } from '../../core/events.ts'
import type { EventMetrics } from '../events.ts'

const SERIES_MAX = 1_000

/** 0.1 ms to 60 s: from one stage of one item to a slow call to an LLM. */
const SECONDS_BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
]

export interface PrometheusMetrics extends EventMetrics {
  readonly contentType: string
  /** The exposition text. */
  render(): Promise<string>
}

/** `build` becomes the labels of sluice_build_info. `withProcess`: CPU, memory, event loop of this process as well. */
export function prometheusMetrics(options: {
  readonly build: Readonly<Record<'version' | 'node', string>>
  readonly withProcess: boolean
}): PrometheusMetrics {
  const registry = new Registry()
  if (options.withProcess) collectDefaultMetrics({ register: registry })
  new Gauge({
    name: 'sluice_build_info',
    help: 'always 1; the labels say what runs',
    labelNames: Object.keys(options.build),
    registers: [registry],
  }).set({ ...options.build }, 1)

  const recorders = new Map(
    Object.entries(EVENTS).map(([name, spec]) => [name as EventName, recorder(spec, registry)] as const),
  )
  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    record: (name, fields) => recorders.get(name)?.(fields),
  }
}

type Add = (amount: number) => void

/** Looks the series up by its label values once, then adds to it without hashing labels again. */
function recorder(spec: EventSpec, registry: Registry): (fields: EventFields) => void {
  const { labels } = spec
  const { of } = spec.metric
  const seriesOf = series(spec, registry)
  const known = new Map<string, Add>()
  return (fields) => {
    const amount = of === 'events' ? 1 : fields[of]
    if (typeof amount !== 'number' || !Number.isFinite(amount)) return
    let key = ''
    for (const label of labels) key += `${String(fields[label])}\0`
    let add = known.get(key)
    if (add === undefined) {
      const full = known.size >= SERIES_MAX
      add = seriesOf(labels.map((label) => (full ? 'other' : String(fields[label]))))
      if (!full) known.set(key, add)
    }
    add(amount)
  }
}

function series({ says, labels, metric }: EventSpec, registry: Registry): (values: string[]) => Add {
  const common = { name: metric.name, help: says, labelNames: [...labels], registers: [registry] }
  if (metric.type === 'histogram') {
    const histogram = new Histogram({ ...common, buckets: SECONDS_BUCKETS })
    return (values) => histogram.labels(...values).observe
  }
  if (metric.type === 'gauge') {
    const gauge = new Gauge(common)
    return (values) => gauge.labels(...values).set
  }
  const counter = new Counter(common)
  return (values) => counter.labels(...values).inc
}
