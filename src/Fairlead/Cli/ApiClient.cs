using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using Fairlead.Api;
using Fairlead.Fleet;
using Fairlead.Fleet.Steer;
using Fairlead.Net;

namespace Fairlead.Cli;

/// <summary>The API refused: its words, and whether it was the store that failed.</summary>
internal sealed class ApiRefusedException(Refusal refusal) : Exception(string.Join("; ", refusal.Messages))
{
    public Refusal Refusal => refusal;
}

/// <summary>Talks to a node over its control socket. IOException when nobody is there.</summary>
internal sealed class ApiClient(string socketPath) : IDisposable
{
    private readonly HttpClient client = LocalHttpClient.Of(socketPath, TimeSpan.FromSeconds(10));

    public Task<StatusView> StatusAsync(CancellationToken stop) =>
        SendAsync<StatusView>(HttpMethod.Get, "v1/status", null, stop);

    public Task<DnsWhy> WhyDnsAsync(string name, string type, string from, CancellationToken stop) =>
        SendAsync<DnsWhy>(HttpMethod.Get,
            $"v1/why/dns?name={Uri.EscapeDataString(name)}&type={type}&from={Uri.EscapeDataString(from)}", null, stop);

    public Task<Reasons> WhyRouteAsync(string prefix, CancellationToken stop) =>
        SendAsync<Reasons>(HttpMethod.Get, $"v1/why/route?prefix={Uri.EscapeDataString(prefix)}", null, stop);

    public Task<SeenList> LookAsync(string prefix, bool inside, CancellationToken stop) => SendAsync<SeenList>(
        HttpMethod.Get, $"v1/lg?prefix={Uri.EscapeDataString(prefix)}{(inside ? "&inside" : "")}", null, stop);

    public Task<BfdList> BfdAsync(CancellationToken stop) =>
        SendAsync<BfdList>(HttpMethod.Get, "v1/bfd", null, stop);

    public Task<BackendWhy> WhyBackendAsync(string address, CancellationToken stop) =>
        SendAsync<BackendWhy>(
            HttpMethod.Get, $"v1/why/backend?address={Uri.EscapeDataString(address)}", null, stop);

    public Task<FlowWhy> WhyFlowAsync(
        string from, string to, string protocol, string? quicId, CancellationToken stop) =>
        SendAsync<FlowWhy>(HttpMethod.Get,
            $"v1/why/flow?from={Uri.EscapeDataString(from)}&to={Uri.EscapeDataString(to)}&protocol={protocol}"
                + (quicId is null ? "" : $"&quicId={Uri.EscapeDataString(quicId)}"),
            null, stop);

    public Task<BalancerView> BalancerAsync(CancellationToken stop) =>
        SendAsync<BalancerView>(HttpMethod.Get, "v1/balancer", null, stop);

    public Task<PacketView[]> SamplesAsync(CancellationToken stop) =>
        SendAsync<PacketView[]>(HttpMethod.Get, "v1/balancer/samples", null, stop);

    /// <summary>Packets as they come, until a line says that it is the last.</summary>
    public async IAsyncEnumerable<WatchLine> WatchAsync(
        WatchRequest asked, [EnumeratorCancellation] CancellationToken stop)
    {
        using HttpResponseMessage response = await SendAsync(HttpMethod.Post, "v1/balancer/watch",
            FleetJson.Write(asked), HttpCompletionOption.ResponseHeadersRead, stop);
        if (!response.IsSuccessStatusCode) throw Refused(response, await response.Content.ReadAsByteArrayAsync(stop));
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync(stop));
        while (await lines.ReadLineAsync(stop) is { } text)
        {
            if (FleetJson.Read<WatchLine>(Encoding.UTF8.GetBytes(text)) is not { } line) break;
            yield return line;
            if (line.IsEnd) yield break;
        }

        throw new IOException($"{socketPath}: the node has ended before the packets did");
    }

    public Task<OldAnswers> OldAnswersAsync(CancellationToken stop) =>
        SendAsync<OldAnswers>(HttpMethod.Get, "v1/dns/ttl", null, stop);

    public Task<ZoneList> ZonesAsync(CancellationToken stop) =>
        SendAsync<ZoneList>(HttpMethod.Get, "v1/dns/zones", null, stop);

    public Task<Intent> AddAsync(IntentRequest request, CancellationToken stop) =>
        SendAsync<Intent>(HttpMethod.Post, "v1/intents", FleetJson.Write(request), stop);

    public Task EndAsync(string id, CancellationToken stop) =>
        SendAsync<object>(HttpMethod.Delete, $"v1/intents/{Uri.EscapeDataString(id)}", null, stop);

    public void Dispose() => client.Dispose();

    private async Task<T> SendAsync<T>(HttpMethod method, string path, byte[]? body, CancellationToken stop)
        where T : class
    {
        using HttpResponseMessage response = await SendAsync(
            method, path, body, HttpCompletionOption.ResponseContentRead, stop);
        byte[] answer = await response.Content.ReadAsByteArrayAsync(stop);
        return response.IsSuccessStatusCode && FleetJson.Read<T>(answer) is { } value
            ? value : throw Refused(response, answer);
    }

    private Exception Refused(HttpResponseMessage response, byte[] answer) =>
        FleetJson.Read<Refusal>(answer) is { } refusal
            ? new ApiRefusedException(refusal)
            : new IOException($"{socketPath}: answered {(int)response.StatusCode}: the node is still starting?");

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string path, byte[]? body, HttpCompletionOption until, CancellationToken stop)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }

        try
        {
            return await client.SendAsync(request, until, stop);
        }
        catch (HttpRequestException fault)
        {
            if (fault.InnerException is SocketException { SocketErrorCode: SocketError.AccessDenied })
                throw new UnauthorizedAccessException($"{socketPath}: not permitted");
            throw new IOException(
                $"{socketPath}: no node answers there ({fault.InnerException?.Message ?? fault.Message})", fault);
        }
        catch (TaskCanceledException) when (!stop.IsCancellationRequested)
        {
            throw new IOException($"{socketPath}: no answer within {client.Timeout.TotalSeconds:0} s");
        }
    }
}
