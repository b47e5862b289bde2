// Whether a text looks as if it spoke to a language model instead of naming a product. A guess from its words: such an
// item is asked alone, where it can lead no neighbour astray, and its answer counts only where the local model agrees.
// Must never be the only defence: the fence, the enum and the checks of replies hold for every text.
import { normalise } from '../text/normalise.ts'

const VERBS =
  'answer|assign|categori[sz]e|classify|choose|consider|emit|label|mark|map|output|pick|print|put|reply|respond|return|say|select|set|tag|treat|use|write'
/** What only a program is told to do. */
const ORDERS = 'answer|assign|categori[sz]e|classify|emit|label|output|print|reply|respond|return'
const ALL =
  'all|any|every|each|everything|both|(?:the )?(?:other|next|following|previous|above|remaining|rest)|items?|products?|listings?|entries|id|ids'

const SIGNS: readonly RegExp[] = [
  // Orders about orders.
  /\b(?:ignore|disregard|forget|override|overrule|bypass|skip|drop|cancel|supersede|replace|stop|neglect)\w*\b.{0,40}\b(?:previous|prior|above|earlier|preceding|before|instructions?|rules?|prompts?|orders?|guidelines?|context|system|constraints?|schema|told|labels?|list)\b/u,
  /\b(?:new|updated|real|actual|correct|secret|hidden|following|important|urgent|revised|additional) (?:instructions?|rules?|orders?|task|directives?|system|policy|prompt)\b/u,
  /\b(?:instructions?|directive|policy|note|notice|message|attention|reminder|update|hint)\b ?(?:to|for|from)? ?(?:the )?(?:llm|ai|assistant|model|classifier|system|admin|developer|operator|annotator|grader|bot|gpt|chatgpt|claude)\b/u,
  // Orders about answers.
  new RegExp(
    `\\b(?:${VERBS})\\b.{0,30}\\b(?:${ALL})\\b.{0,40}\\b(?:as|to|with|into|in|under|is|are|be|label\\w*|category)\\b`,
    'u',
  ),
  new RegExp(
    `\\b(?:${ALL})\\b.{0,40}\\b(?:must|should|shall|will|need to|have to|is to|are to|now)\\b.{0,20}\\b(?:be|become|belong|get|go|return|have|all)\\b`,
    'u',
  ),
  /\b(?:the )?(?:correct|right|true|proper|only|final|expected|valid) (?:label|answer|category|class|output|response|id)s?\b/u,
  /\b(?:label|answer|category|class|output|response) (?:is|are|must|should|shall|equals?|of all|for all|for every|for each)\b/u,
  /\byou(?:'re| are| have become)? (?:now )?(?:an? |the |my )?(?:classifier|assistant|ai|llm|bot|chatbot|language model|model trained|system|dan|free|unrestricted|no longer|now)\b/u,
  new RegExp(
    `\\byou (?:must|should|will|shall|need to|have to|are to|can only|may only) (?:\\w+ )?(?:${ORDERS}|ignore|obey|follow)\\b`,
    'u',
  ),
  /\b(?:your (?:task|job|answer|reply|response|output|instructions?|system|rules|role) (?:is|are|must|should|shall|will|has|have)|act as (?:an?|if|the)|pretend (?:to be|that|you)|from now on|as an ai|language model|jailbreak|developer mode|dan mode|do anything now)\b/u,
  /\b(?:please|kindly|simply|just|always|only|instead) (?:answer|reply|respond|return|output|label|classify|choose|say|select)\b/u,
  // The shapes of prompts and of replies.
  /\b(?:system|user|assistant|developer|human|ai) ?(?:prompt|message|role|note|override|:|>|\]|\})/u,
  /\b(?:begin|end|start|stop) (?:of )?(?:items?|data|prompt|input|user|system|document|text|examples?|instructions?)\b/u,
  /["'{[] ?(?:answers?|id|label|role|content|labels|system)["']? ?[:=]|\brole ?[:=] ?(?:system|user|assistant|developer)\b/u,
  /```|<\|?\/?(?:im_start|im_end|system|user|assistant|s|sys|inst|endoftext|instructions?|prompt|data|items?)\b|\[\/?inst\]|<<sys|### ?(?:instruction|response|system|human|assistant)|\}\s*\{|none_of_these/u,
  // The same in some other languages.
  /(?:\b(?:ignora|ignorez|ignoriere|ignorieren|ignorare)\b|\bolvida|oublie[zr]?|vergiss|vergeet|negeer|dimentica|esque[cç]a|игнорируй|забудь|忽略|無視|忘记|무시)/u,
  /(?:clasific|classifi(?:e[zr]|ca)|klassifizier|étiquet|etiquet|ordne|stufe).{0,40}(?:tod[oa]s?|tous|toutes|alle|tutt[ie]|como|comme|als)\b/u,
  // Letters of two alphabets in one word, to look like another.
  /[a-z][\u0400-\u04ff]|[\u0400-\u04ff][a-z]/u,
  // What a shop would have no reason to write: escapes.
  /(?:%[0-9a-f]{2}){6,}|(?:\\u?x?[0-9a-f]{2,4}){4,}/u,
]

/** Characters that show nothing and can carry text: tags, and the marks that turn the direction of writing around. */
const HIDDEN = /[\u{e0020}-\u{e007f}\u202a-\u202e\u2066-\u2069]/u
/** A long run of Base64: model codes are shorter, or of one case. */
const BASE64 =
  /(?=[A-Za-z0-9+/]{0,60}[a-z])(?=[A-Za-z0-9+/]{0,60}[A-Z])(?=[A-Za-z0-9+/]{0,60}\d)[A-Za-z0-9+/]{36,}|[A-Za-z0-9+/]{20,}={1,2}/u
const CHARS_MAX = 4_000

export function isSuspicious(segments: readonly string[]): boolean {
  return segments.some((segment) => {
    const text = segment.slice(0, CHARS_MAX)
    const seen = text.replace(/\p{Cf}+/gu, '').normalize('NFKC')
    if (HIDDEN.test(text) || BASE64.test(seen)) return true
    const plain = normalise(seen)
    return SIGNS.some((sign) => sign.test(plain))
  })
}
