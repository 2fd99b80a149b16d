// Node's http2 client. Standard input: {url, proxy, ca, asks: [{method, path, fields, body, trailers}]},
// bodies in base64. Standard output: a list of what came for each, in the order of the questions.

import crypto from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import tls from 'node:tls'

const job = JSON.parse(fs.readFileSync(0, 'utf8'))
const url = new URL(job.url)
const ca = job.ca ? fs.readFileSync(job.ca) : undefined

function tunnel() {
  const proxy = new URL(job.proxy)
  const options = { host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: url.host }
  return new Promise((resolve, reject) => {
    const request = http.request(options)
    request.on('connect', (response, socket) => {
      if (response.statusCode === 200) resolve(socket)
      else reject(new Error(`CONNECT was answered ${response.statusCode}`))
    })
    request.on('error', reject)
    request.end()
  })
}

async function connect() {
  const options = { ca }
  if (job.proxy) {
    const socket = await tunnel()
    options.createConnection = () => url.protocol === 'https:'
      ? tls.connect({ socket, servername: url.hostname, ALPNProtocols: ['h2'], ca })
      : socket
  }
  return http2.connect(job.url, options)
}

function pairs(raw) {
  const found = []
  for (let at = 0; at < raw.length; at += 2) found.push([raw[at], raw[at + 1]])
  return found
}

function collected(fields) {
  const headers = {}
  for (const [name, value] of fields) (headers[name] ??= []).push(value)
  for (const name in headers) if (headers[name].length === 1) headers[name] = headers[name][0]
  return headers
}

function ask(session, { method, path, fields, body, trailers }) {
  return new Promise((resolve) => {
    const result = { status: 0, fields: [], informational: [], trailers: [], pushed: 0, error: '' }
    const digest = crypto.createHash('sha256')
    let size = 0
    const headers = { ':method': method, ':path': path, ...collected(fields) }
    const ends = body === null && trailers.length === 0
    const stream = session.request(headers, { endStream: ends, waitForTrailers: trailers.length > 0 })
    stream.on('headers', (headers, flags, raw) => {
      result.informational.push([headers[':status'], pairs(raw)])
    })
    stream.on('response', (headers, flags, raw) => {
      result.status = headers[':status']
      result.fields = pairs(raw)
    })
    stream.on('trailers', (headers, flags, raw) => { result.trailers = pairs(raw) })
    stream.on('wantTrailers', () => stream.sendTrailers(collected(trailers)))
    stream.on('data', (data) => { digest.update(data); size += data.length })
    stream.on('error', (error) => { result.error = error.code ?? error.message })
    stream.on('close', () => {
      result.error = stream.rstCode ? `RST_STREAM ${stream.rstCode}` : result.error
      resolve({ ...result, size, digest: digest.digest('hex') })
    })
    if (!ends) stream.end(body === null ? undefined : Buffer.from(body, 'base64'))
  })
}

const session = await connect()
let pushed = 0
session.on('error', () => {}) // each stream says it too
session.on('stream', (stream) => { pushed += 1; stream.resume() })
const results = await Promise.all(job.asks.map((one) => ask(session, one)))
session.destroy()
console.log(JSON.stringify(results.map((result) => ({ ...result, pushed }))))
