using Fairlead.Fleet.Spec;
using Fairlead.Node;

namespace Fairlead.Tests.Node;

/// <summary>
/// What a running DNS server cannot go over to is named, and refused, instead of taken without effect.
/// </summary>
public class FleetReloadTests
{
    private static DnsSpec Read(string dns)
    {
        string text = $"fleet: f\npops: {{here: {{nodes: {{ns1: {{addresses: [192.0.2.1]}}}}}}}}\ndns: {{{dns}}}\n";
        FleetFile? file = FleetReader.Read("fleet.yaml", text, out IReadOnlyList<SpecProblem> problems);
        Assert.Empty(problems);
        return file!.Spec.Dns;
    }

    [Theory]
    [InlineData("", "udpThreads: 2", "udpThreads")]
    [InlineData("tap: /run/a", "tap: /run/b", "tap")]
    [InlineData("", "tls: {listen: ['192.0.2.1:853'], certificate: c, key: k}", "tls")]
    [InlineData("https: {listen: ['192.0.2.1:443'], certificate: c, key: k}",
        "https: {listen: ['192.0.2.2:443'], certificate: c, key: k}", "https")]
    [InlineData("", "cookieSecrets: [000102030405060708090a0b0c0d0e0f]", "cookieSecrets")]
    [InlineData("", "rateLimit: {answers: 5}", "rateLimit")]
    [InlineData("rateLimit: {exempt: [192.0.2.0/24]}", "rateLimit: {exempt: [192.0.3.0/24]}", "rateLimit")]
    [InlineData("", "tcp: {idle: 5s}", "tcp")]
    public void A_setting_of_the_server_that_has_changed_is_named(string old, string next, string key)
    {
        Assert.Equal([key], FleetReload.FixedAtStart(Read(old), Read(next)));
        Assert.Empty(FleetReload.FixedAtStart(Read(next), Read(next)));
    }
}
