using System.Buffers.Text;
using System.Net;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Wire;
using Fairlead.Net.Addresses;
using Microsoft.AspNetCore.Http;

namespace Fairlead.Doh;

/// <summary>
/// DNS over HTTPS (RFC 8484): GET with `dns=` in base64url, POST with the message as the body, both of
/// application/dns-message. It answers through the same door as every other transport.
/// </summary>
public sealed class DohEndpoint(AnswerDoor door)
{
    public const string Path = "/dns-query";
    public const string ContentType = "application/dns-message";
    private const int QueryBytesMax = 65535;

    /// <summary>The request's handler for Path: `app.Map(DohEndpoint.Path, endpoint.HandleAsync)`.</summary>
    public async Task HandleAsync(HttpContext context)
    {
        string method = context.Request.Method;
        ReadOnlyMemory<byte>? query = HttpMethods.IsGet(method) || HttpMethods.IsHead(method) ? FromUrl(context)
            : HttpMethods.IsPost(method) ? await FromBodyAsync(context)
            : Refuse(context, 405);
        if (query is null) return;

        byte[] response = new byte[ushort.MaxValue];
        IPAddress client = context.Connection.RemoteIpAddress ?? IPAddress.None;
        int length = door.Answer(query.Value.Span, new Asker(Prefix.BitsOf(client), Transport.Https), response);
        if (length == 0)
        {
            Refuse(context, 400);
            return;
        }

        context.Response.ContentType = ContentType;
        context.Response.ContentLength = length;
        // RFC 8484 §5.1: no longer than the shortest TTL; and what HTTP keeps was made for this client's place alone.
        uint seconds = MessageTtl.Smallest(response.AsSpan(0, length));
        context.Response.Headers.CacheControl = seconds == 0 ? "no-store" : $"private, max-age={seconds}";
        if (!HttpMethods.IsHead(method))
            await context.Response.Body.WriteAsync(response.AsMemory(0, length), context.RequestAborted);
    }

    private static ReadOnlyMemory<byte>? FromUrl(HttpContext context)
    {
        // RFC 8484 §4.1: base64url without padding, in a variable named dns.
        string? text = context.Request.Query["dns"];
        if (string.IsNullOrEmpty(text) || text.Length > QueryBytesMax || !Base64Url.IsValid(text))
            return Refuse(context, 400);
        return Base64Url.DecodeFromChars(text);
    }

    private static async Task<ReadOnlyMemory<byte>?> FromBodyAsync(HttpContext context)
    {
        if (!string.Equals(context.Request.ContentType, ContentType, StringComparison.OrdinalIgnoreCase))
            return Refuse(context, 415);
        if (context.Request.ContentLength > QueryBytesMax) return Refuse(context, 413);
        byte[] body = new byte[QueryBytesMax + 1];
        int length = await context.Request.Body.ReadAtLeastAsync(
            body, body.Length, throwOnEndOfStream: false, context.RequestAborted);
        return length > QueryBytesMax ? Refuse(context, 413) : body.AsMemory(0, length);
    }

    private static ReadOnlyMemory<byte>? Refuse(HttpContext context, int status)
    {
        context.Response.StatusCode = status;
        return null;
    }
}
