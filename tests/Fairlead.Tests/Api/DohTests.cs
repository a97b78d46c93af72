using System.Buffers.Text;
using System.Net;
using System.Net.Http.Headers;
using Fairlead.Dns.Answering;
using Fairlead.Dns.Server;
using Fairlead.Dns.Wire;
using Fairlead.Doh;
using Fairlead.Net;
using Fairlead.Tests.Dns;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace Fairlead.Tests.Api;

/// <summary>RFC 8484, as a browser or a resolver meets it.</summary>
public class DohTests
{
    private static readonly byte[] Www = DnsTestBed.Query("www.example.com", RecordType.A, 1232);

    private static async Task WithServerAsync(Func<HttpClient, DnsServer, Task> test)
    {
        var options = new DnsServerOptions { Listen = [ServerBed.Free(IPAddress.Loopback)] };
        await using var server = new DnsServer(options, new Snapshot<DnsTable>(DnsTestBed.Table));
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel =>
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
        await using WebApplication app = builder.Build();
        app.Map(DohEndpoint.Path, new DohEndpoint(server.OpenDoor()).HandleAsync);
        await app.StartAsync();
        string address = app.Services.GetRequiredService<IServer>().Features
            .Get<IServerAddressesFeature>()!.Addresses.First();
        using var client = new HttpClient
        {
            BaseAddress = new Uri(address),
            DefaultRequestVersion = HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        await test(client, server);
    }

    private static ByteArrayContent Body(byte[] message, string type = DohEndpoint.ContentType) =>
        new(message) { Headers = { ContentType = new MediaTypeHeaderValue(type) } };

    [Fact]
    public Task Get_and_post_bring_the_answer_with_its_time_to_live() => WithServerAsync(async (client, server) =>
    {
        foreach (HttpResponseMessage response in (HttpResponseMessage[])
            [await client.GetAsync($"/dns-query?dns={Base64Url.EncodeToString(Www)}"),
                await client.PostAsync("/dns-query", Body(Www))])
        {
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            Assert.Equal(HttpVersion.Version20, response.Version);
            Assert.Equal(DohEndpoint.ContentType, response.Content.Headers.ContentType!.ToString());
            Assert.Equal(TimeSpan.FromHours(1), response.Headers.CacheControl!.MaxAge);
            Assert.Equal(2, new Reply(await response.Content.ReadAsByteArrayAsync()).Answers.Count);
            response.Dispose();
        }

        Assert.Equal(2, server.Counters[DnsCounter.HttpsQueries]);
        // A denial lives as long as its SOA says, a steered answer as long as its own records.
        foreach ((string name, int seconds) in ((string, int)[])[("no.example.com", 300), ("steered.example.com", 30)])
        {
            using HttpResponseMessage response =
                await client.PostAsync("/dns-query", Body(DnsTestBed.Query(name, RecordType.A)));
            Assert.Equal(TimeSpan.FromSeconds(seconds), response.Headers.CacheControl!.MaxAge);
        }

        using HttpResponseMessage refused =
            await client.PostAsync("/dns-query", Body(DnsTestBed.Query("www.example.net", RecordType.A)));
        Assert.True(refused.Headers.CacheControl!.NoStore);
        // RFC 8467: padded when the query is.
        byte[] padded = DnsTestBed.Query("www.example.com", RecordType.A, 1232, [0, 12, 0, 1, 0]);
        using HttpResponseMessage block = await client.PostAsync("/dns-query", Body(padded));
        Assert.Equal(468, block.Content.Headers.ContentLength);
    });

    [Fact]
    public Task What_is_no_question_is_refused_in_the_words_of_http() => WithServerAsync(async (client, _) =>
    {
        (Task<HttpResponseMessage> Response, int Status)[] cases =
        [
            (client.GetAsync("/dns-query"), 400), (client.GetAsync("/dns-query?dns=@@"), 400),
            (client.GetAsync("/dns-query?dns=AAAA"), 400), (client.PostAsync("/dns-query", Body([1, 2, 3])), 400),
            (client.PostAsync("/dns-query", Body(Www, "text/plain")), 415),
            (client.PostAsync("/dns-query", Body(new byte[70_000])), 413),
            (client.PutAsync("/dns-query", Body(Www)), 405), (client.GetAsync("/other"), 404),
        ];
        foreach ((Task<HttpResponseMessage> asked, int status) in cases)
        {
            using HttpResponseMessage response = await asked;
            Assert.Equal(status, (int)response.StatusCode);
        }
    });
}
