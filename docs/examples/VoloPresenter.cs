// An SSVEP calibration shown by Unity, recorded and decoded by Volo.
// Needs LSL4Unity (package com.labstreaminglayer.lsl4unity). Attach to an object with four Renderers in `keys`.
//
// Volo:  volo record --source lsl:name=EEG --markers lsl:Unity --out calibration.xdf

using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using LSL;
using UnityEngine;

public class VoloPresenter : MonoBehaviour
{
    public Renderer[] keys;                                             // in the order of `labels`
    public string[] labels = { "A", "B", "space", "delete" };           // as in Volo's layout "four"
    public float[] frequenciesHz = { 9.0f, 10.8f, 12.6f, 14.4f };
    public float[] phasesPi = { 0.0f, 0.5f, 1.0f, 1.5f };
    public int blocks = 4;
    public float cueS = 0.7f, flickerS = 2.3f, restS = 0.5f;

    private StreamOutlet outlet;
    private double flickerSince = -1.0;                                 // on LSL's clock; -1: steady

    private void Awake()
    {
        QualitySettings.vSyncCount = 1;                                 // wait for the display
        var info = new StreamInfo("Unity", "Markers", 1, 0.0, channel_format_t.cf_string, "presenter-unity");
        outlet = new StreamOutlet(info);
        StartCoroutine(Run());
    }

    // The level of each key comes from time, so a dropped frame costs one value and not the phase.
    private void Update()
    {
        for (int n = 0; n < keys.Length; n++)
        {
            double level = 0.5;
            if (flickerSince >= 0.0)
            {
                double t = LSL.LSL.local_clock() - flickerSince;
                level = 0.5 * (1.0 + System.Math.Sin(2.0 * System.Math.PI * frequenciesHz[n] * t + System.Math.PI * phasesPi[n]));
            }
            keys[n].material.color = new Color((float)level, (float)level, (float)level);
        }
    }

    private void Send(string label, string payload)
    {
        outlet.push_sample(new[] { "{\"label\": \"" + label + "\", \"payload\": {" + payload + "}}" }, LSL.LSL.local_clock());
    }

    // Frames are on the screen after the end of the frame that drew them.
    private IEnumerator Show(string label, string payload, float seconds, bool flickers)
    {
        flickerSince = flickers ? LSL.LSL.local_clock() : -1.0;
        yield return null;                                              // Update has drawn it
        yield return new WaitForEndOfFrame();
        Send(label, payload);
        yield return new WaitForSeconds(seconds);
    }

    private IEnumerator Run()
    {
        while (!outlet.have_consumers()) yield return null;
        yield return new WaitForSeconds(3.0f);                          // for the recorder's filters
        Send("run/start", "\"task\": \"ssvep\", \"paradigm\": \"calibration\", \"layout\": \"four\"");
        int trial = 0;
        for (int block = 0; block < blocks; block++)
        {
            foreach (int n in Shuffled(labels.Length))
            {
                string number = "\"trial\": " + trial.ToString(CultureInfo.InvariantCulture);
                string key = "\"" + labels[n] + "\"";
                keys[n].transform.localScale *= 1.15f;                  // the cue
                yield return Show("trial/start", number + ", \"cue\": " + key + ", \"text\": \"\"", cueS, false);
                yield return Show("stimulus/onset", number + ", \"target\": " + key, flickerS, true);
                yield return Show("stimulus/offset", number, restS, false);
                keys[n].transform.localScale /= 1.15f;
                trial++;
            }
        }
        Send("run/stop", "");
    }

    private static List<int> Shuffled(int n)
    {
        var order = new List<int>();
        for (int k = 0; k < n; k++) order.Insert(Random.Range(0, k + 1), k);
        return order;
    }
}
