using System.Net;
using Fairlead.Dns.Wire;
using Fairlead.Fleet.Steer;
using Fairlead.Net.Addresses;
using Fairlead.Node;
using Microsoft.AspNetCore.Http;

namespace Fairlead.Api;

/// <summary>Questions about answers: GET /v1/why/dns?name=NAME&amp;type=TYPE&amp;from=ADDRESS or PREFIX.</summary>
internal static class DnsQuestions
{
    public static Task WhyAsync(HttpContext context, ReconcileLoop loop, Func<HttpContext, int, object?, Task> send)
    {
        IQueryCollection query = context.Request.Query;
        (string name, string type, string from) = ($"{query["name"]}", $"{query["type"]}", $"{query["from"]}");
        if (!DnsName.TryParse(name.TrimEnd('.') + ".", out DnsName? asked))
            return send(context, 400, new Refusal("bad-request", [$"\"{name}\" is not a domain name"]));
        if (!RecordTypes.TryParse(type.Length == 0 ? "A" : type, out RecordType wanted))
            return send(context, 400, new Refusal("bad-request", [$"\"{type}\" is not a record type"]));
        if (!TryClient(from, out Prefix client))
            return send(context, 400, new Refusal("bad-request", [$"\"{from}\" is neither an address nor a prefix"]));
        if (loop.View is not { } view) return send(context, 503, null);
        DnsWhy? why = Why.Explain(
            loop.Fleet.Spec, view.Plan, loop.Fleet.Views, loop.Steered, asked!, wanted, client, out string? fault);
        return why is null
            ? send(context, 404, new Refusal("not-found", [fault!]))
            : send(context, 200, why);
    }

    // A prefix is a subnet that a resolver told of; its host bits do not count.
    private static bool TryClient(string text, out Prefix client)
    {
        string[] parts = text.Split('/');
        client = default;
        if (!IPAddress.TryParse(parts[0], out IPAddress? address) || parts.Length > 2) return false;
        Prefix host = Prefix.Host(address);
        int length = host.Length;
        if (parts.Length == 2 && (!int.TryParse(parts[1], out length) || length < 0 || length > host.Length))
            return false;
        client = Prefix.OfMapped(host.Bits, host.LengthMapped - host.Length + length);
        return true;
    }
}
