import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { StreamnormError } from '../errors.ts';
import type { TlsConfig } from './config/listen.ts';
import { withAllFaults } from './config-fault.ts';

/** What the files hold. */
export interface TlsContent {
  readonly context: SecureContextOptions;
  /** Until when the certificate is valid, ms since 1970. */
  readonly validToMs: number;
}

/**
 * Reads certificate and key, and checks that they belong together.
 *
 * @throws StreamnormError CONFIG in one line that says which file is wrong, or for all that cannot be read
 */
export async function readTlsFiles({ cert, key, clientCa }: Omit<TlsConfig, 'checkEveryMs'>): Promise<TlsContent> {
  const [certificate, privateKey, authority] = await withAllFaults(
    read('cert', cert),
    read('key', key),
    clientCa === undefined ? Promise.resolve(undefined) : read('clientCa', clientCa),
  );
  const first = check('cert', cert, 'no certificate in PEM', () => new X509Certificate(certificate));
  const secret = check('key', key, 'no private key in PEM without a passphrase', () => createPrivateKey(privateKey));
  if (!first.checkPrivateKey(secret)) {
    throw wrong('key', key, `does not belong to the certificate in ${cert}, whose own comes first there`);
  }
  if (authority !== undefined)
    check('clientCa', clientCa, 'no certificate in PEM', () => new X509Certificate(authority));
  const context = { cert: certificate, key: privateKey, ...(authority !== undefined && { ca: authority }) };
  check('cert', cert, 'no certificates that can be used', () => createSecureContext(context));
  return { context, validToMs: Date.parse(first.validTo) };
}

async function read(name: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw wrong(name, file, `cannot be read: ${(cause as NodeJS.ErrnoException).code}`, cause);
  }
}

function check<T>(name: string, file: string | undefined, fault: string, make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw wrong(name, file, `holds ${fault}`, cause);
  }
}

function wrong(name: string, file: string | undefined, fault: string, cause?: unknown): StreamnormError {
  return new StreamnormError('CONFIG', `listen.tls.${name}: ${file} ${fault}`, { cause });
}
