using Fairlead.Dns.Signing;
using Fairlead.Dns.Wire;
using Fairlead.Fleet;
using Fairlead.Fleet.Spec;
using Fairlead.Node;
using Fairlead.Tests.Decide;
using Fairlead.Tests.Fleet;

namespace Fairlead.Tests.Node;

public sealed class LookAheadTests : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);
    private readonly string folder = Directory.CreateTempSubdirectory("look-ahead-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_pop_that_goes_down_finds_its_signatures_made()
    {
        LoadedFleet fleet = Load(signed: true);
        SetSigner signer = fleet.Signing.SignerOf(DnsName.Parse("www.example.com"))!;
        Plan up = new Situation(fleet.Spec) { OwnPop = "nyc" }.Plan();
        _ = fleet.Steering.Of(up, fleet.Signing.SignerOf);
        using var ahead = new LookAhead();

        ahead.From(fleet, up);

        Assert.True(SpinWait.SpinUntil(() => ahead.Ready > 0, Deadline), "it is not through");
        int made = signer.SignaturesMade;
        Plan down = new Situation(fleet.Spec) { OwnPop = "nyc" }.Silent("lon", 60).Plan();
        Assert.Equal(PopState.Dead, down.Pop("lon")!.State);
        _ = fleet.Steering.Of(down, fleet.Signing.SignerOf);
        Assert.Equal(made, signer.SignaturesMade);
    }

    [Fact]
    public void Where_nothing_is_signed_nothing_is_looked_for()
    {
        LoadedFleet fleet = Load(signed: false);
        using var ahead = new LookAhead();
        ahead.From(fleet, new Situation(fleet.Spec) { OwnPop = "nyc" }.Plan());
        Assert.True(SpinWait.SpinUntil(() => ahead.Ready >= 0, Deadline), "it is not through");
        Assert.Equal(0, ahead.Ready);
    }

    private LoadedFleet Load(bool signed)
    {
        DnsName origin = DnsName.Parse("example.com");
        if (signed)
        {
            new KeyFolder(Path.Combine(folder, "keys")).Generate(
                origin, KeyRole.Csk, Situation.Now, new KeyTiming { TtlMax = TimeSpan.FromHours(1) });
        }

        File.WriteAllText(Path.Combine(folder, "example.com.zone"),
            "@ 60 SOA ns h 1 60 60 600 60\n@ NS ns\nns A 192.0.2.1\n");
        string file = Path.Combine(folder, "fleet.yaml");
        File.WriteAllText(file, FleetFiles.Good + (signed ? "\ndns: {dnssec: {keys: keys}}\n" : "\n"));
        LoadedFleet? fleet = LoadedFleet.Read(file, out IReadOnlyList<SpecProblem> problems, signAt: Situation.Now);
        Assert.Empty(problems);
        return fleet!;
    }
}
