// One closed table of errors: code, what happened, what to do. Thrown only at the edges; inside core/ errors are values.
// docs/errors.md is generated from it.

export const ERRORS = {
  SL101: {
    title: 'configuration is not valid',
    remedy: 'correct the key named in the message; `sluice lint` checks the file',
  },
  SL102: {
    title: 'a file is missing or cannot be read',
    remedy: 'check the path; paths are relative to the configuration file',
  },
  SL103: { title: 'a topic or schema file is not valid', remedy: 'correct the file named in the message' },
  SL104: { title: 'wrong usage of the command line', remedy: 'see `sluice --help`' },
  SL105: {
    title: 'the health and metrics pages cannot listen',
    remedy: 'choose another http.host or http.port; port 0 takes any free one',
  },
  SL201: {
    title: 'the broker cannot be reached',
    remedy: 'check kafka.brokers (or SLUICE_KAFKA); `npm run stack` starts one',
  },
  SL202: { title: 'a topic does not exist', remedy: 'run `sluice topics apply`' },
  SL203: {
    title: 'the transaction could not be committed',
    remedy: 'check the broker; restart the process: it continues at the last committed offset',
  },
  SL204: {
    title: 'the committed offset is out of the range of the topic',
    remedy: 'decide what to do about the gap, then set the offset of the group; nothing was skipped',
  },
  SL205: {
    title: 'the consumer crashed',
    remedy: 'see the cause; restart the process: it continues at the last committed offset',
  },
  SL206: { title: 'the change is refused', remedy: 'read the plan; make a new topic or a compatible change' },
  SL301: {
    title: 'the schema registry cannot be reached',
    remedy: 'check registry.url (or SLUICE_REGISTRY); `format: json` needs none',
  },
  SL302: { title: 'a schema is not registered', remedy: 'run `sluice schemas apply`' },
  SL303: { title: 'a schema change is not compatible', remedy: 'add fields with defaults only, or use a new subject' },
  SL401: {
    title: 'the LLM provider refuses the request',
    remedy: 'check base_url, model and api_key of the LLM: llm.* in sluice.yaml, llms.NAME.* in benchmark.yaml',
  },
  SL402: {
    title: 'the LLM does not answer',
    remedy: 'check base_url and the state of the provider, then run again: what was answered is kept',
  },
  SL403: {
    title: 'the budget does not reach',
    remedy: 'allow more, ask about fewer items, or lower llm.output_tokens_max: what is reserved is the worst case',
  },
  SL501: {
    title: 'the model is damaged or does not fit',
    remedy: 'restore the model folder, or train again; nothing was loaded',
  },
  SL502: { title: 'the data cannot be used', remedy: 'correct the rows named in the message' },
  SL503: {
    title: 'training failed',
    remedy: 'see the cause; a lower learning rate helps where the loss is not finite',
  },
  SL504: {
    title: 'the encoder is not here and could not be fetched',
    remedy: 'run `sluice models pull NAME` once while online; `sluice models list` shows what there is',
  },
  SL505: { title: 'interrupted', remedy: 'run the command again' },
  SL506: {
    title: 'the promise cannot be kept on these rows',
    remedy: 'label more rows of the live tail, or ask for less: a lower --target-precision or a higher --delta',
  },
  SL507: {
    title: 'nothing is known of this item',
    remedy:
      'check the key; look further back with --since; give the item id where your producers have a partitioner of their own',
  },
} as const

export type ErrorCode = keyof typeof ERRORS

/** The one error class: `message` says what and where, the table says what to do. */
export class SluiceError extends Error {
  override readonly name = 'SluiceError'
  readonly code: ErrorCode
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
  /** One line for people: code, title, detail, remedy. */
  describe(): string {
    const { title, remedy } = ERRORS[this.code]
    return `${this.code} ${title}: ${this.message}\n  what to do: ${remedy}`
  }
}
