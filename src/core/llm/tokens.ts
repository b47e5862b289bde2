// About how many tokens a text is, for sizing calls: a little more than the tokenizers of today's models count, so that a
// call is rather too small. What was really used is told by the provider.

/** Letters of product titles a token, measured with the tokenizers of GPT-4o and DeepSeek (bench/tokens.ts prints it). */
const ASCII_PER_TOKEN = 3

export function estimateTokens(text: string): number {
  let ascii = 0
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) < 128) ascii++
  return Math.ceil(ascii / ASCII_PER_TOKEN + (text.length - ascii))
}
