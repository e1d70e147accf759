// A real OpenID provider on loopback, for the tests. Who signs in, the browser's cookie `who` says:
// the name of an account below, or `nobody` for a person who cancels.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const [port, clientId, clientSecret, ...redirectUris] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

const accounts = {
  ada: { email: "Ada@Example.com", email_verified: true, name: "Ada Lovelace" },
  grace: { email: "grace@example.com", email_verified: true, name: "Grace Hopper" },
  mallory: { email: "victim@example.com", email_verified: false, name: "Mallory" },
  ghost: {},
};

const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const provider = new Provider(issuer, {
  clients: [{ client_id: clientId, client_secret: clientSecret, redirect_uris: redirectUris }],
  jwks: { keys: [{ ...key.export({ format: "jwk" }), kid: "test", use: "sig", alg: "RS256" }] },
  cookies: { keys: ["only for tests"] },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...accounts[id] }) }),
  pkce: { required: () => true },
});

const interact = async (request, response) => {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  const who = /(?:^|; )who=(\w+)/.exec(request.headers.cookie ?? "")?.[1];
  if (!(who in accounts)) {
    const refusal = { error: "access_denied", error_description: "<b>They said no</b>" };
    return provider.interactionFinished(request, response, refusal);
  }
  if (prompt.name === "login") {
    return provider.interactionFinished(request, response, { login: { accountId: who } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent });
};

const answer = provider.callback();
createServer((request, response) => {
  if (!request.url.startsWith("/interaction/")) return answer(request, response);
  interact(request, response).catch((error) => response.writeHead(500).end(String(error)));
}).listen(Number(port), "127.0.0.1", () => console.log(`ready at ${issuer}`));
