"""Takes on a role by the variables alone, from a played STS that looks at what it is sent."""
import base64
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

REPLY = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>key of {RoleArn} for {RoleSessionName}</AccessKeyId>
<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>{end}</Expiration></Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


class Sts(BaseHTTPRequestHandler):
    def do_POST(self):
        form = {k: v[0] for k, v in parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()).items()}
        token = form["WebIdentityToken"]
        payload = token.split(".")[1]
        json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        ok = form["Action"] == "AssumeRoleWithWebIdentity" and token == token.strip()
        end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        body = REPLY.format(end=end, **form).encode()
        self.send_response(200 if ok else 400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = HTTPServer(("127.0.0.1", 0), Sts)
threading.Thread(target=server.serve_forever, daemon=True).start()
# What `--aws-endpoint` sets, which only the server itself knows here.
os.environ["AWS_ENDPOINT_URL_STS"] = f"http://127.0.0.1:{server.server_port}"

import botocore.session  # noqa: E402

session = botocore.session.Session()
credentials = session.get_credentials().get_frozen_credentials()
print(credentials.access_key, "in", session.get_config_variable("region"))
